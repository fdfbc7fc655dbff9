!> Adjoint of the annual mean and of its balance: how a weighted sum of steady carbon depends on parameters,
!> scalars and input. Every procedure is the transpose of its namesake in ctsm_tangent.
module ctsm_adjoint
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, layer_thickness
   use ctsm_parameters, only: ctsm_scheme, ctsm_parameter_set, i_cwd, i_l1, i_l2, i_l3, i_s1, i_s2, i_s3
   use ctsm_forcing, only: soil_column, soil_forcing
   use ctsm_cascade, only: n_transitions, donor, receiver
   use ctsm_annual_mean, only: annual_mean, clear
   use ctsm_linearisation, only: constant_part, record_part, linearise_constants, linearise_record, &
                                 i_temperature, i_water, i_oxygen, i_fpi
   implicit none (type, external)
   private

   public :: adjoint_of_balance, adjoint_of_mean

contains

   !> Sensitivity to every mean coefficient, from steady carbon (gC m-2) and the value of a unit of input
   !> (`solve_transposed`).
   pure subroutine adjoint_of_balance(mean, carbon, value, bar)
      type(annual_mean), intent(in) :: mean
      real(dp), intent(in) :: carbon(n_layers, n_pools), value(n_layers, n_pools)
      type(annual_mean), intent(out) :: bar
      real(dp) :: gain(n_layers - 1)
      integer :: k, pool

      bar%nbedrock = mean%nbedrock
      call clear(bar)
      bar%input = value
      do k = 1, n_transitions
         associate (from => donor(k), to => receiver(k))
            bar%loss(:, k) = carbon(:, from)*((1.0_dp - mean%respired(:, k))*value(:, to) - value(:, from))
            bar%respired(:, k) = -carbon(:, from)*mean%loss(:, k)*value(:, to)
         end associate
      end do
      do pool = i_cwd + 1, n_pools
         gain = value(2:, pool) - value(:n_layers - 1, pool)
         bar%downward(:n_layers - 1, pool) = gain*carbon(:n_layers - 1, pool)
         bar%upward(2:, pool) = -gain*carbon(2:, pool)
      end do
   end subroutine adjoint_of_balance

   pure subroutine adjoint_of_mean(scheme, column, forcing, c, weight, bar, parameters_bar, scalars_bar, input_bar)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c
      real(dp), intent(in) :: weight(:)
      type(annual_mean), intent(in) :: bar
      type(ctsm_parameter_set), intent(out) :: parameters_bar
      real(dp), intent(out) :: scalars_bar(:, :, :), input_bar(:, :, :)
      type(constant_part) :: constants
      type(record_part) :: part
      integer :: record

      call linearise_constants(scheme, column, constants)
      call start_with_respired(bar%respired, parameters_bar)
      do record = 1, size(weight)
         call linearise_record(scheme, column, forcing, c, record, constants, part)
         call add_losses(scheme, constants, part, weight(record), bar%loss, parameters_bar, scalars_bar(:, :, record))
         call add_exchange(constants, part, weight(record), bar, parameters_bar)
         input_bar(:, :, record) = weight(record)*unfolded_input(bar%input, column%nbedrock)
      end do
   end subroutine adjoint_of_mean

   pure subroutine start_with_respired(respired_bar, p)
      real(dp), intent(in) :: respired_bar(n_layers, n_transitions)
      type(ctsm_parameter_set), intent(out) :: p
      real(dp) :: total(n_transitions)

      p = nothing()
      total = sum(respired_bar, 1)
      p%rf_l1s1 = total(1)
      p%rf_l2s1 = total(2)
      p%rf_l3s2 = total(3)
      p%rf_s2s1 = total(6)
      p%rf_s2s3 = total(7)
      p%rf_s3s1 = total(8)
      p%rf_cwdl2 = total(9)
      p%rf_cwdl3 = total(10)
   end subroutine start_with_respired

   pure function nothing() result(p)
      type(ctsm_parameter_set) :: p
      real(dp) :: zeros(storage_size(p)/storage_size(0.0_dp))

      zeros = 0.0_dp
      p = transfer(zeros, p)
   end function nothing

   pure subroutine add_turnover(by_pool, p)
      real(dp), intent(in) :: by_pool(n_pools)
      type(ctsm_parameter_set), intent(inout) :: p

      p%tau_cwd = p%tau_cwd + by_pool(i_cwd)
      p%tau_l1 = p%tau_l1 + by_pool(i_l1)
      p%tau_l2_l3 = p%tau_l2_l3 + by_pool(i_l2) + by_pool(i_l3)
      p%tau_s1 = p%tau_s1 + by_pool(i_s1)
      p%tau_s2 = p%tau_s2 + by_pool(i_s2)
      p%tau_s3 = p%tau_s3 + by_pool(i_s3)
   end subroutine add_turnover

   pure subroutine add_losses(scheme, constants, part, weight, loss_bar, p, scalars_bar)
      type(ctsm_scheme), intent(in) :: scheme
      type(constant_part), intent(in) :: constants
      type(record_part), intent(in) :: part
      real(dp), intent(in) :: weight, loss_bar(n_layers, n_transitions)
      type(ctsm_parameter_set), intent(inout) :: p
      real(dp), intent(out) :: scalars_bar(:, :)
      real(dp) :: environment(n_layers), environment_bar(n_layers), sped_bar(n_pools), path_bar(n_transitions)
      real(dp) :: weighted(n_layers)
      integer :: k

      environment = part%scalars%temperature*part%scalars%water*scheme%depth_scalar*part%scalars%oxygen
      environment_bar = 0.0_dp
      sped_bar = 0.0_dp
      scalars_bar = 0.0_dp
      do k = 1, n_transitions
         weighted = weight*loss_bar(:, k)
         associate (sped => scheme%base_rate(donor(k))*constants%spinup(donor(k)), &
                    path => constants%fractions%path(:, k))
            sped_bar(donor(k)) = sped_bar(donor(k)) + sum(weighted*environment*path*part%nitrogen(:, k))
            environment_bar = environment_bar + weighted*sped*path*part%nitrogen(:, k)
            path_bar(k) = sum(weighted*sped*environment*part%nitrogen(:, k))
            scalars_bar(:, i_fpi) = scalars_bar(:, i_fpi) + weighted*sped*environment*path*constants%limited(:, k)
         end associate
      end do
      p%cwd_fcel = p%cwd_fcel + path_bar(9)
      p%cwd_flig = p%cwd_flig + path_bar(10)
      p%days_per_year = p%days_per_year + sum(sped_bar*constants%spinup*constants%rates%rate_by_year)
      call add_turnover(sped_bar*(constants%spinup*constants%rates%rate_by_turnover &
                                  + scheme%base_rate*constants%rates%spinup_by_turnover), p)
      call add_environment(scheme, part, environment_bar, p, scalars_bar)
   end subroutine add_losses

   pure subroutine add_environment(scheme, part, bar, p, scalars_bar)
      type(ctsm_scheme), intent(in) :: scheme
      type(record_part), intent(in) :: part
      real(dp), intent(in) :: bar(n_layers)
      type(ctsm_parameter_set), intent(inout) :: p
      real(dp), intent(inout) :: scalars_bar(:, :)

      associate (t => part%scalars%temperature, w => part%scalars%water, o => part%scalars%oxygen, &
                 depth => scheme%depth_scalar, by => part%by_parameters)
         scalars_bar(:, i_temperature) = bar*w*depth*o
         scalars_bar(:, i_water) = bar*t*depth*o
         scalars_bar(:, i_oxygen) = bar*t*w*depth
         p%q10 = p%q10 + sum(scalars_bar(:, i_temperature)*by%temperature_by_q10)
         p%froz_q10 = p%froz_q10 + sum(scalars_bar(:, i_temperature)*by%temperature_by_froz_q10)
         p%minpsi_hr = p%minpsi_hr + sum(scalars_bar(:, i_water)*by%water_by_minpsi)
         p%maxpsi_hr = p%maxpsi_hr + sum(scalars_bar(:, i_water)*by%water_by_maxpsi)
         p%mino2lim = p%mino2lim + sum(scalars_bar(:, i_oxygen)*by%oxygen_by_floor)
         p%decomp_depth_efolding = p%decomp_depth_efolding + sum(bar*t*w*o*by%depth_by_efolding)
      end associate
   end subroutine add_environment

   pure subroutine add_exchange(constants, part, weight, bar, p)
      type(constant_part), intent(in) :: constants
      type(record_part), intent(in) :: part
      real(dp), intent(in) :: weight
      type(annual_mean), intent(in) :: bar
      type(ctsm_parameter_set), intent(inout) :: p
      real(dp), dimension(n_layers + 1) :: diffusivity_bar, velocity_bar
      real(dp), dimension(n_layers) :: downward_bar, upward_bar, mixed_bar
      real(dp) :: spinup_bar(n_pools)
      integer :: pool

      downward_bar = 0.0_dp
      upward_bar = 0.0_dp
      spinup_bar = 0.0_dp
      do pool = i_cwd + 1, n_pools
         associate (down => weight*bar%downward(:, pool)/layer_thickness, &
                    up => weight*bar%upward(:, pool)/layer_thickness)
            downward_bar = downward_bar + constants%spinup(pool)*down
            upward_bar = upward_bar + constants%spinup(pool)*up
            spinup_bar(pool) = sum(down*part%downward) + sum(up*part%upward)
         end associate
      end do
      call add_turnover(spinup_bar*constants%rates%spinup_by_turnover, p)
      upward_bar = eoshift(upward_bar, 1)   ! by the face below a level
      mixed_bar = downward_bar + upward_bar
      diffusivity_bar = [mixed_bar*part%exchange%by_diffusivity_here, 0.0_dp] &
         + [0.0_dp, mixed_bar*part%exchange%by_diffusivity_below]
      velocity_bar = [0.0_dp, downward_bar*part%exchange%downward_by_velocity &
                      + upward_bar*part%exchange%upward_by_velocity]
      p%som_diffus = p%som_diffus + sum(diffusivity_bar*part%mixing%diffusivity_by_bioturbation)
      p%cryoturb_diffusion_k = p%cryoturb_diffusion_k + sum(diffusivity_bar*part%mixing%diffusivity_by_cryoturbation)
      p%max_depth_cryoturb = p%max_depth_cryoturb + sum(diffusivity_bar*part%mixing%diffusivity_by_depth)
      p%som_adv_flux = p%som_adv_flux + sum(velocity_bar*part%mixing%velocity_by_advection)
   end subroutine add_exchange

   !> Input below bedrock counts as input into the last level above it.
   pure function unfolded_input(bar, nbedrock) result(density_bar)
      real(dp), intent(in) :: bar(n_layers, n_pools)
      integer, intent(in) :: nbedrock
      real(dp) :: density_bar(n_layers, n_pools)
      integer :: pool

      do pool = 1, n_pools
         density_bar(:, pool) = bar(:, pool)*layer_thickness
         density_bar(nbedrock + 1:, pool) = bar(nbedrock, pool)*layer_thickness(nbedrock + 1:)
      end do
   end function unfolded_input

end module ctsm_adjoint
