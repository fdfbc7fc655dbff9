!> The published sampler at several sites at once, one per vector lane; results do not depend on how sites are grouped.
!>
!> Arrays have the site last; site i has the first `count(i)` of the observations.
module published_batch
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers
   use proda_parameters, only: n_parameters
   use proda_coefficients, only: assemble_lane, complete_block
   use column_block, only: block_coefficients, block_factors, block_solution
   use steady_state, only: solve_steady_state, soil_carbon_of
   use conditioning, only: reciprocal_condition
   use pchip, only: interpolate
   use profile_likelihood, only: published_profile, new_published_profile
   use published_cost, only: weighted_cost
   use published_scheme, only: published_site
   use random_numbers, only: generator
   implicit none (type, external)
   private

   public :: sample_published_sites

   !> What is kept of a chain: of its accepted states the second half, as published.
   type :: chain_record
      integer :: accepted = 0
      real(dp), allocatable :: draws(:, :)       !< states spread evenly over the half
      real(dp), allocatable :: costs(:)
      real(dp), allocatable :: mean(:), sd(:)    !< over the half
      real(dp), allocatable :: carbon(:)         !< mean modelled carbon at the observations, gC m-3
   end type chain_record

contains

   !> Sample up to `lanes` sites: of each chain states spread evenly over its second half with their costs, mean and
   !> standard deviation over the half, and mean modelled carbon at the observations. Zeros where no state was accepted.
   subroutine sample_published_sites(climate, exchange, input, lower, upper, count, depth, observed, weights, streams, &
                                     n_first, n_second, draws, costs, mean, sd, carbon, accepted, evaluations, &
                                     abandoned)
      real(dp), contiguous, intent(in) :: climate(:, :, :, :), exchange(:, :, :), input(:, :), lower(:), upper(:)
      integer, intent(in) :: count(:)
      real(dp), intent(in) :: depth(:, :), observed(:, :), weights(:, :)
      type(generator), intent(in) :: streams(:)
      integer, intent(in) :: n_first, n_second
      real(dp), intent(out) :: draws(:, :, :, :), costs(:, :, :), mean(:, :, :), sd(:, :, :), carbon(:, :, :)
      integer, intent(out) :: accepted(:, :), evaluations(:), abandoned(:)
      type(published_profile) :: profiles(size(count))
      type(published_site), allocatable :: sites(:)
      type(chain_record) :: records(size(accepted, 1), size(count))
      integer :: i

      allocate (sites(size(count)))
      do i = 1, size(sites)
         profiles(i) = new_published_profile(depth(:count(i), i), observed(:count(i), i), weights(:count(i), i))
         sites(i)%n_first = n_first
         sites(i)%n_second = n_second
         sites(i)%n_chains = size(accepted, 1)
         sites(i)%stream = streams(i)
         call sites(i)%begin_site(n_parameters, count(i))
      end do
      call run_sites(climate, exchange, input, profiles, lower, upper - lower, size(draws, 2), sites, records)
      do i = 1, size(sites)
         call copy_records(records(:, i), draws(:, :, :, i), costs(:, :, i), mean(:, :, i), sd(:, :, i), &
            carbon(:, :, i), accepted(:, i))
         evaluations(i) = sites(i)%evaluations
         abandoned(i) = merge(1, 0, sites(i)%abandoned)
      end do
   end subroutine sample_published_sites

   pure subroutine copy_records(records, draws, costs, mean, sd, carbon, accepted)
      type(chain_record), intent(in) :: records(:)
      real(dp), intent(out) :: draws(:, :, :), costs(:, :), mean(:, :), sd(:, :), carbon(:, :)
      integer, intent(out) :: accepted(:)
      integer :: chain

      draws = 0.0_dp
      costs = 0.0_dp
      mean = 0.0_dp
      sd = 0.0_dp
      carbon = 0.0_dp
      accepted = records%accepted
      do chain = 1, size(records)
         if (accepted(chain) == 0) cycle
         draws(:, :, chain) = records(chain)%draws
         costs(:, chain) = records(chain)%costs
         mean(:, chain) = records(chain)%mean
         sd(:, chain) = records(chain)%sd
         carbon(:size(records(chain)%carbon), chain) = records(chain)%carbon
      end do
   end subroutine copy_records

   !> Run the sites to their end.
   subroutine run_sites(climate, exchange, input, profiles, lower, width, n_stored, sites, records)
      real(dp), contiguous, intent(in) :: climate(:, :, :, :), exchange(:, :, :), input(:, :)
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
         call assemble_lane(lane, lower + width*sites(site)%proposal, climate(:, :, :, site), exchange(:, :, site), &
            input(:, site), c)
      end do
      do while (.not. all(sites%finished))
         do site = 1, size(sites)
            if (sites(site)%finished) cycle
            call assemble_lane(site, lower + width*sites(site)%proposal, climate(:, :, :, site), &
               exchange(:, :, site), input(:, site), c)
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
   end subroutine run_sites

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
