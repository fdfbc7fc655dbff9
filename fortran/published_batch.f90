!> The published sampler at several sites at once, one a vector lane. What a site finds does not depend on its company.
module published_batch
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_months
   use proda_parameters, only: n_parameters
   use proda_forcing, only: n_climate, n_input
   use proda_transport, only: n_exchange
   use proda_coefficients, only: assemble_lane, complete_block
   use column_block, only: block_coefficients, block_factors, block_solution
   use steady_state, only: solve_steady_state, soil_carbon_of
   use conditioning, only: reciprocal_condition
   use pchip, only: interpolate
   use profile_likelihood, only: published_profile
   use published_cost, only: weighted_cost
   use published_scheme, only: published_site
   implicit none (type, external)
   private

   public :: site_forcing, chain_record, run_published

   !> Forcing of a site, as proda_forcing prepares it.
   type :: site_forcing
      real(dp) :: climate(n_layers, n_months, n_climate)
      real(dp) :: exchange(n_layers, n_exchange)
      real(dp) :: input(n_input)
   end type site_forcing

   !> What is kept of a chain: of its accepted states the second half, as published.
   type :: chain_record
      integer :: accepted = 0
      real(dp), allocatable :: draws(:, :)       !< states spread evenly over the half
      real(dp), allocatable :: costs(:)
      real(dp), allocatable :: mean(:), sd(:)    !< over the half
      real(dp), allocatable :: carbon(:)         !< mean modelled carbon at the observations, gC m-3
   end type chain_record

contains

   !> Run up to `lanes` sites to their end.
   subroutine run_published(forcing, profiles, lower, width, n_stored, sites, records)
      type(site_forcing), intent(in) :: forcing(:)
      type(published_profile), intent(in) :: profiles(:)
      real(dp), intent(in) :: lower(n_parameters), width(n_parameters)
      integer, intent(in) :: n_stored
      type(published_site), intent(inout) :: sites(:)
      type(chain_record), intent(inout) :: records(:, :)   !< (chain, site)
      type(block_coefficients) :: c
      type(block_factors) :: factors
      type(block_solution) :: y
      real(dp) :: soc(lanes, n_layers), condition(lanes)
      integer :: site, lane

      do lane = 1, lanes   ! lanes without a site hold a copy of the last
         site = min(lane, size(sites))
         call assemble_lane(lane, lower + width*sites(site)%proposal, forcing(site)%climate, forcing(site)%exchange, &
            forcing(site)%input, c)
      end do
      do while (.not. all(sites%finished))
         do site = 1, size(sites)
            if (sites(site)%finished) cycle
            call assemble_lane(site, lower + width*sites(site)%proposal, forcing(site)%climate, &
               forcing(site)%exchange, forcing(site)%input, c)
         end do
         call complete_block(c)
         call solve_steady_state(c, factors, y)
         call soil_carbon_of(c, y, soc)
         condition = reciprocal_condition(c)
         do site = 1, size(sites)
            if (sites(site)%finished) cycle
            call receive_carbon(profiles(site), soc(site, :), condition(site) < epsilon(1.0_dp), sites(site))
            if (.not. sites(site)%chain_finished) cycle
            call record_chain(sites(site), n_stored, records(sites(site)%chain, site))
            call sites(site)%next_chain()
         end do
      end do
   end subroutine run_published

   subroutine receive_carbon(observations, soc, singular, site)
      type(published_profile), intent(in) :: observations
      real(dp), intent(in) :: soc(n_layers)
      logical, intent(in) :: singular
      type(published_site), intent(inout) :: site
      real(dp) :: carbon(size(observations%observed))

      call interpolate(soc, observations%node, observations%depth, carbon)
      call site%receive(weighted_cost(carbon, observations%observed, observations%weights), singular, carbon)
   end subroutine receive_carbon

   !> As published, the mean of modelled carbon starts one state before that of the parameters.
   subroutine record_chain(site, n_stored, record)
      type(published_site), intent(in) :: site
      integer, intent(in) :: n_stored
      type(chain_record), intent(out) :: record
      integer :: half, first, last, place, i

      last = site%accepted
      half = nint(real(last, dp)/2.0_dp)
      first = min(half + 1, last)
      record%accepted = last
      allocate (record%draws(n_parameters, n_stored), record%costs(n_stored))
      do i = 1, n_stored
         place = first + nint(real(i - 1, dp)*real(last - first, dp)/real(max(1, n_stored - 1), dp))
         record%draws(:, i) = site%kept(:, place)
         record%costs(i) = site%kept_cost(place)
      end do
      associate (n => real(last - first + 1, dp))
         record%mean = sum(site%kept(:, first:last), dim=2)/n
         record%sd = sqrt(sum((site%kept(:, first:last) - spread(record%mean, 2, last - first + 1))**2, dim=2) &
            /max(1.0_dp, n - 1.0_dp))
      end associate
      half = max(1, half)
      record%carbon = sum(site%kept_carbon(:, half:last), dim=2)/real(last - half + 1, dp)
   end subroutine record_chain

end module published_batch
